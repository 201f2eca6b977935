"""The board at work: button, light, heat, power mode and watchdog, wired to the daemon"""
