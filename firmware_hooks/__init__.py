"""The board: buttons, lights, power modes, sensors. Takes callbacks, imports nothing of ours."""
