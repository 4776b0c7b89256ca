"""One attempt from its worktree and prompt to the evidence that it leaves and what that amounts to."""
