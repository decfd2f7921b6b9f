"""What `bench.engine` measures with: servers started in turn, and whether base stays base beside adapters."""
