"""The life of reviews, proposals and limits: every state change is one transaction over `ports.UnitOfWork`, with its audit entry."""
