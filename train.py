"""The main job: python train.py model=gru sim=lorenz   (python train.py --help says the rest)."""

from sirve.cli.train import main

if __name__ == "__main__":
    main()
