"""The label inbox: clips without a label, those that would teach most first."""
