; KISSlicer - FREE
; Windows
; version 1.4.5.10
; Built: Sep  2 2014, 20:18:09
;
; *** Material Settings for Extruder 1 ***
;
; material_name = Normal models
; temperature_C = 205
; first_layer_C = 210
; bed_C = 0
;
; *** Style Settings ***
;
; style_name = Small models
; layer_thickness_mm = 0.2
;
; *** Actual Slicing Settings As Used ***
;
; layer_thickness_mm = 0.25
;
G21     			 ; [mm] mode
G28    	 		 ; Home
; BEGIN_LAYER_OBJECT z=0.30
M109 S210
G1 X12.32 Y4.89 Z0.3 E8 F6000
; END_LAYER_OBJECT z=0.30
; BEGIN_LAYER_OBJECT z=0.55
G1 X12.32 Y4.89 Z0.55 E9 F6000
; END_LAYER_OBJECT z=0.55
; Estimated Build Time:   332.83 minutes
;    Ext #1  =   305.09 mm  (0.734 cm^3)
