"""Evidence packs: what an auditor asks for (E1 to E18), or everything about one subject, each as a file with the query that made it."""
