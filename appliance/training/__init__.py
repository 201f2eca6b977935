"""Training: a function from a job folder to a result folder. The only home of torch.

    worker      the child process: signals, the ends of a job by name
    run         the order of work: features, the version, cross-validation, evaluation, export
    manifest    what the job folder says            progress    what the runner is told
    clock       the budget, pauses excluded         result      the files of a version
    sounds      clips from disk at 16 kHz           features    waveform to log-mel, as a network
    store       log-mels of all clips in memory     sampling    which clip comes when
    crops       stretches of sound and their floor  augment     what is done to them
    network     the compact CNN                     recipe      every hyperparameter
    loop        the training loop                   shards      gradients by several threads
    checkpoint  state that survives a power cut     evaluate    figures by their definitions
    export      the ONNX that is deployed

A batch depends on the seed, the phase and the step alone. So a run with given steps can be
repeated, and one that was interrupted continues as if it had not been.
"""
