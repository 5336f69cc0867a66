"""The marketplace: listings, releases, offers, negotiations, agreements, entitlements, metering and subscriptions."""
