"""QuEST's test bed: a language model of characters, trained in several ways."""
