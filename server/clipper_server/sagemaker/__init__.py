"""A container as SageMaker runs it: one query frontend and one replica, of one artifact. No management."""
