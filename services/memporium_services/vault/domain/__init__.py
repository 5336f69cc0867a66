"""Pure rules of the vault: no clock, no random, no I/O."""
