"""Multi-model endpoints: one container that loads many models on demand."""
