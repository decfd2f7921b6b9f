"""What bench.train and bench.learn share: rows as texts, and one training in a process of its own, ours or TRL's."""
