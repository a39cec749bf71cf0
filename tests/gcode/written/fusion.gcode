;bracket v3
;Printer name: Creality Ender 3
;Print time: 1h:20m:36s
;Extruder 1 material used: 1811.000mm
;Extruder 1 material name: PLA
;Extruder 1 filament diameter: 1.750mm
;Extruder 1 nozzle diameter: 0.400mm
;Extruder 1 offset x: 0.000mm
;Extruder 1 max temp: 205
;Bed temp: 60
;Layer count: 61
;Height: 250.000mm
;Count of bodies: 1
;Fusion version: 2.0.18719
G21
M82
G28
G1 X10 Y10 Z0.2 F3000
G1 X20 Y10 E1
G1 Z12 F600
G1 X10 Y10 E2
G1 Z50
M84 X Y E
