"""The same as `sirve train`: python train.py model=gru sim=lorenz, python train.py --help."""

from sirve.cli.train import main

if __name__ == "__main__":
    main()
