;Sliced by ideaMaker 4.2.3.5750, 2022-02-01 12:00:00 UTC+0100
;Dimension: 305.000 305.000 605.000 0.400 0.600
;Plate Shape: 0
;Extruder Offset #1: 0.000 0.000
;Filament Diameter #1: 1.750
;Filament Diameter #2: 1.750
;Filament Type #1: PLA
;Filament Type #2: PVA
;Filament Name #1: [Raise3D] PLA
;Filament Name #2: [Raise3D] PVA
;Printer Type: RAISE3D Pro2 Plus
;Bounding Box: 140.000 160.000 140.000 160.000 0.000 19.900
M140 S65
M104 T0 S215
M109 T0 S215
;LAYER:0
;Z:0.300
;HEIGHT:0.300
G1 X10 Y10 E1
;LAYER:98
;Z:19.900
;HEIGHT:0.200
G1 X20 Y10 E1
M104 S0
;Material#1 Used: 868.0
;Material#2 Used: 32.5
;Print Time: 3723
