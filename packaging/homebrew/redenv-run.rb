class RedenvRun < Formula
  desc "$description"
  homepage "$repository"
  version "$version"
  license "$license"

  on_linux do
    on_intel do
      url "$repository/releases/download/v$version/redenv-run-$version-x86_64-unknown-linux-gnu.tar.gz"
      sha256 "$x86_64_unknown_linux_gnu"
    end
    on_arm do
      url "$repository/releases/download/v$version/redenv-run-$version-aarch64-unknown-linux-gnu.tar.gz"
      sha256 "$aarch64_unknown_linux_gnu"
    end
  end
  on_macos do
    on_intel do
      url "$repository/releases/download/v$version/redenv-run-$version-x86_64-apple-darwin.tar.gz"
      sha256 "$x86_64_apple_darwin"
    end
    on_arm do
      url "$repository/releases/download/v$version/redenv-run-$version-aarch64-apple-darwin.tar.gz"
      sha256 "$aarch64_apple_darwin"
    end
  end

  def install
    bin.install "redenv-run"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/redenv-run.bash"
    zsh_completion.install "completions/_redenv-run"
    fish_completion.install "completions/redenv-run.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/redenv-run --version")
  end
end
