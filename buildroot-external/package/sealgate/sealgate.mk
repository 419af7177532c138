################################################################################
#
# sealgate
#
################################################################################

# The source is the checkout around this tree, so that an image is always built from the
# commit it claims to be.
SEALGATE_VERSION = local
SEALGATE_SITE = $(realpath $(BR2_EXTERNAL_SEALGATE_PATH)/..)
SEALGATE_SITE_METHOD = local
SEALGATE_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude=/build --exclude=/target
SEALGATE_LICENSE = MIT or Apache-2.0
SEALGATE_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
SEALGATE_DEPENDENCIES = host-pkgconf tpm2-tss pcsc-lite

SEALGATE_CARGO_ENV = PKG_CONFIG_ALLOW_CROSS=1
SEALGATE_CARGO_BUILD_OPTS = \
	--package sealgate-supervisor \
	--package sealgate-recorder \
	--package sealgate-system \
	--package sealgate-cli

# A local source is not vendored by Buildroot's download step. Cargo.lock pins every
# crate by hash, and the build itself stays offline.
define SEALGATE_FETCH_CRATES
	cd $(@D) && $(TARGET_MAKE_ENV) $(PKG_COMMON_CARGO_ENV) \
		cargo fetch --locked --target $(RUSTC_TARGET_NAME)
endef
SEALGATE_PRE_BUILD_HOOKS += SEALGATE_FETCH_CRATES

define SEALGATE_INSTALL_TARGET_CMDS
	$(foreach binary,sealgate-supervisor sealgate-recorder sealgate-system sealgate,\
		$(INSTALL) -D -m 0755 \
			$(@D)/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/$(binary) \
			$(TARGET_DIR)/usr/bin/$(binary)$(sep))
endef

$(eval $(cargo-package))
