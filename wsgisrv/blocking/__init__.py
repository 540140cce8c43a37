"""What would stop the hub: database drivers, threads and processes that let other greenlets run."""
