"""What is usual for each resident: learned from daily life, said in words, and told when it is not as usual."""
