"""A request to a model and its answer: how they are told, exchanged and captured."""
