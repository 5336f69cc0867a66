"""Authorisation: an immutable snapshot that every service holds, compiled from governance's Casbin rows."""
