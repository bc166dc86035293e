"""From the SQL of a program to its relations and views, or to what is wrong with it."""
