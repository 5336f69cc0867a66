"""The transfer service's technology."""
