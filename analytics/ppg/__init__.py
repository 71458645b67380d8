"""Heart rate from the light sensor of a watch while its wearer moves."""
