"""Names of inputs and models that the statistics treat in a way of their own."""

NETWORKS = ("ResNet", "ResNetSWA", "Q-Net")  # the models of the paper, in its order
VOTED = ("ResNet", "ResNetSWA")  # their scan score is a share of votes of the images, not a probability
AGE_SEX = ("none", "Age + sex")  # input, model
BACKGROUND = ("background", "Background only")
CONTROLS = ("Age + sex", "Background only", "ROI, labels permuted")  # expected at chance, so compared with nothing
OF_SITES = ("AUC", "calibration in the large", "calibration slope")  # what is compared over sites
PAPER_GROUPS = {"HH", "HC"}
