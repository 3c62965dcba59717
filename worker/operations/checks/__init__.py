"""The checks of a home, one file per subject. Each yields findings; none changes anything."""
