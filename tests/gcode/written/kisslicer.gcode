; KISSlicer - FREE
; Windows
; version 2 a 2.0.6 Win64
; Built: May 23 2020, 15:05:59
; Running on 24 cores
;
; *** Printer Settings ***
;
; printer_name = Test
; g_code_prefix = 3B205B6D6D5D206D6F64650A4732310A3B206162736F
; ^   6C75746520706F736974696F6E206D6F64650A4739300A3B2052656C
; nozzle_dia_1 = 0.4
; nozzle_dia_2 = 0.4
;
; *** Material Settings for Extruder 1 ***
;
; material_name = PLA white
; temperature_C = 195
; first_layer_C = 200
; bed_C = 43
; chamber_C = 0
; layer_thickness_mm = -33
; first_layer_thickness_mm = -50
;
; *** Actual Slicing Settings As Used ***
;
; layer_thickness_mm = 0.132
; first_layer_thickness_mm = 0.2
;
; [mm] mode
G21
M140 S43
; BEGIN_LAYER_OBJECT z=0.263 z_thickness=0.263
G1 X68.297 Y75.699 E0.00694 F570.1
; END_LAYER_OBJECT z=5.000
M107
; Calculated-during-export Build Time: 10.16 minutes
; Estimated-in-GUI Build Time:         10.18 minutes
;
; Filament used per extruder:
;    Ext #1  =   305.09 mm  (0.734 cm^3)
;    Ext #2  =    10.01 mm  (0.024 cm^3)
;
