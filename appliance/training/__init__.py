"""Training: a function from a job folder to a result folder. The only home of torch.

    worker      the child process: signals, the ends of a job by name
    run         the order of work: features, the version, the judging networks, the result
    manifest    what the job folder says            context     what follows from it
    clock       the budget, pauses excluded         progress    what the runner is told
    planning    steps before the start              phases      the version, then the folds
    recipe      every hyperparameter                device      GPU or CPU, and its precision

    sounds      clips from disk at 16 kHz           features    waveform to log-mel, as a network
    store       log-mels of all clips in memory     sampling    which clip comes when
    crops       stretches of sound and their floor  augment     what is done to them
    network     the compact CNN                     start       weights at random or of a version
    loop        the training loop                   shards      gradients by several threads
    watch       progress, curves, checkpoints       probe       a quick look at the accuracy
    checkpoint  folders that survive a power cut    state       what is in them

    judge       held-out clips, as if deployed      evaluate    figures by their definitions
    export      the ONNX that is deployed           finish      from weights to the files
    result      those files, complete or not at all

A batch depends on the seed, the phase and the step alone. So a run with given steps can be
repeated, and one that was interrupted continues as if it had not been.
"""
