"""What several pages share: pictures, words, style."""
