"""The board: buttons, lights, power modes, sensors.

Small modules that take callbacks and import nothing of Earmark. Each edge to hardware is a
protocol with one real implementation and one fake that is shipped and can be driven, so that the
real callbacks run where there is no board. What a board lacks is a value, never an error.
"""
