; HEADER_BLOCK_START
; BambuStudio 01.09.07.52
; estimated printing time (normal mode) = 34s
; total layer number: 5
; total filament length [mm] : 19.37
; total filament volume [cm^3] : 46.58
; total filament weight [g] : 0.00
; filament_density: 0
; filament_diameter: 1.75
; max_z_height: 1.00
; HEADER_BLOCK_END

; CONFIG_BLOCK_START
; cool_plate_temp_initial_layer = 35
; curr_bed_type = Cool Plate
; extruder_colour = ""
; hot_plate_temp_initial_layer = 45
; initial_layer_print_height = 0.2
; layer_height = 0.2
; nozzle_diameter = 0.4
; nozzle_temperature = 200
; nozzle_temperature_initial_layer = 205
; printer_model =
; single_extruder_multi_material = 0
; CONFIG_BLOCK_END

; EXECUTABLE_BLOCK_START
M190 S35 ; set bed temperature and wait for it to be reached
M104 S205 ; set nozzle temperature
G28 ; home all axes
; CHANGE_LAYER
; Z_HEIGHT: 1
; LAYER_HEIGHT: 0.2
G1 X93.079 Y91.83 E.04034
; EXECUTABLE_BLOCK_END
