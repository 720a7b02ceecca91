"""What a bundle can grow by, without being exported again."""
