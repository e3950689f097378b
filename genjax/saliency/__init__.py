"""CAM, Grad-CAM and Grad-CAM++ with exact second and third derivatives."""
