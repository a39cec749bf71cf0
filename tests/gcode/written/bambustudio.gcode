; HEADER_BLOCK_START
; BambuStudio 01.09.05.51
; model printing time: 5m 39s; total estimated time: 11m 27s
; total layer number: 30
; total filament length [mm] : 5127.93,2704.70
; total filament volume [cm^3] : 12334.13,6505.56
; total filament weight [g] : 16.28,8.13
; filament_density: 1.32,1.25
; max_z_height: 6.00
; filament: 1,3
; HEADER_BLOCK_END

; CONFIG_BLOCK_START
; curr_bed_type = Textured PEI Plate
; filament_colour = #00AE42;#FFFFFF;#000000
; filament_settings_id = "Bambu PLA Basic @BBL P1P";"Bambu PLA Basic @BBL P1P";"Generic PETG"
; filament_type = PLA;PLA;PETG
; initial_layer_print_height = 0.2
; layer_height = 0.16
; machine_end_gcode = ;===== date: 20230118 =====================\nM400 ; wait\nG92 E0\n
; nozzle_diameter = 0.4
; nozzle_temperature = 220,220,255
; nozzle_temperature_initial_layer = 222,220,255
; printer_model = Bambu Lab P1P
; printer_variant = 0.4
; single_extruder_multi_material = 1
; CONFIG_BLOCK_END

; EXECUTABLE_BLOCK_START
M73 P0 R11
M190 S65 ;wait for bed temp
M109 S250 ;set nozzle to common flush temp
; CHANGE_LAYER
; Z_HEIGHT: 0.2
; LAYER_HEIGHT: 0.2
G28
G1 X10 Y10 Z0.2 F3000
G1 X20 Y10 E1
G1 Z12 F600
G1 X10 Y10 E2
G1 Z50
; EXECUTABLE_BLOCK_END
