"""What the workers remember, one table a file. Tables are views: the logs decide, and can make each of them again."""
