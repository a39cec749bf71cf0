;FLAVOR:Marlin
;TIME:8025
;Filament used: 0.591316m, 0.534028m
;Layer height: 0.2
;MINX:1
;MINZ:0.3
;MAXZ:24.7

;Generated with Cura_SteamEngine 5.6.0
START_PRINT EXTRUDER_TEMP=205 BED_TEMP=58
;LAYER_COUNT:123
;LAYER:0
G28
G1 X10 Y10 Z0.2 F3000
G1 X20 Y10 E1
G1 Z12 F600
G1 X10 Y10 E2
G1 Z50
;End of Gcode
;SETTING_3 {"global_quality": "[general]\nversion = 4\n"}
