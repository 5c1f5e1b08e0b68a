"""In: a file and a dataset repository of the Hugging Face Hub. Out: a pull request that adds it."""

from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from pdst.errors import SubmissionError


def propose(
    path: Path, name: str, repository: str, *, title: str, endpoint: str | None = None
) -> str:
    """Open a pull request with one new file.

    Args:
        path: of the file here.
        name: its path in the repository.
        repository: "organization/name" of a dataset.
        title: of the pull request.
        endpoint: of another Hub than the public one; None: what HF_ENDPOINT says, if anything.

    Returns:
        The pull request's address.

    Raises:
        SubmissionError: if there is no such repository, nobody is logged in, or the Hub refuses.
    """
    try:
        info = HfApi(endpoint=endpoint).create_commit(
            repo_id=repository,
            repo_type="dataset",
            operations=[CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path))],
            commit_message=title,
            create_pr=True,
        )
    except RepositoryNotFoundError as error:
        raise SubmissionError(
            f"hf://datasets/{repository}: no such dataset repository, or you may not see it. Check "
            "the name, and log in with: hf auth login"
        ) from error
    except (HfHubHTTPError, OSError, RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise SubmissionError(
            f"hf://datasets/{repository}: the Hub does not take it ({type(error).__name__}: "
            f"{text:.300}). Log in with `hf auth login`, then give the same command again."
        ) from error
    return info.pr_url or info.commit_url
