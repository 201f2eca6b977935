"""`python -m appliance.cli` is `earmark`."""

from appliance.cli import main

if __name__ == "__main__":
    main()
