; <IceSL v2.4.1>
; z_layer_height_first_layer_mm : 0.25
; z_layer_height_mm : 0.2
; extruder_temp_degree_c_0 : 210
; bed_temp_degree_c : 55
; chamber_temp_degree_c : 40
; filament_used_mm : 1200.5
; filament_used_g : 4.5
; filament_name : Ice
; filament_type : ABS
; nozzle_diameter_mm_0 : .4
G28
M107
