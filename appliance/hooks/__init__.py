"""User hooks: programs of the box's owner, run when something happens"""
