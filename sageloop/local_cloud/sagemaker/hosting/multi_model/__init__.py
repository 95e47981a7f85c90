"""Multi-model endpoints: one container, many models that are loaded when they are asked for."""
