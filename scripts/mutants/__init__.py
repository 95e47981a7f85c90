"""`make mutants`: changes the functions' code on purpose, and lists the changes no test notices."""
