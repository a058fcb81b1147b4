"""What runs inside a cell. None of these files imports anything of ours except each other by plain name: the
cell has no packages. The service never imports them either; it hands them to the cell as read-only files."""
