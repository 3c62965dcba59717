"""What operators ask and do: one file per verb, used alike by the command line and the pages."""
