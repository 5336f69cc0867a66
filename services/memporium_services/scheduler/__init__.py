"""The scheduler: durable jobs, and which memories stay hot (MemScheduler, arXiv 2507.03724, section 5.4)."""
