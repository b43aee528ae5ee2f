"""The books: models, sessions, migrations, the recorder and the questions asked of them."""
