"""The marketplace's rules, pure: no clock, no random, no I/O. Times are microseconds since 1970 in UTC (`*_us`)."""
