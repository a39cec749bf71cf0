G21 ; set units to millimeters
M190 S55 ; wait for bed temperature to be reached
M104 S210 ; set temperature
G28 X0 Y0
M109 S210

; <IceSL Dec 20 2021 17:10:40>
; bed_temp_degree_c : 	55
; chamber_temp_degree_c : 	0
; extruder_temp_degree_c_0 : 	210
; nozzle_diameter_mm_0 : 	0.4
; printer : 	Mega
; use_different_thickness_first_layer : 	False
; z_layer_height_first_layer_mm : 	0.3
; z_layer_height_mm : 	0.28
M106 S0
; <layer 0>
G1 Z0.280
G0 F7200 X109.200 Y106.600 Z0.280000
G1 F1200 X108.776 Y106.639 E0.019826
; </layer>
; <layer 1>
G1 Z0.560
G0 F7200 X109.200 Y110.800 Z0.560000
G1 F2100 X110.800 Y110.800 E7.074503
; </layer>
