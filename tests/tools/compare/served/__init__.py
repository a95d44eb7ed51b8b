"""What runs in the peers' environments. None of it imports anything of ours, but for what serves ours."""
