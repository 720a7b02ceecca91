"""What other people made: the links in their folders, their files, their numbers. Nothing in it is taken on trust."""
